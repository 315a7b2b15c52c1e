pub fn add(f: &Fn(u8) -> u8) -> Vec<u8> {
    let async = f(1);
    vec![async; 700] // old
}

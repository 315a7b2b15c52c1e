use memprof::memprofile;

#[memprofile]
#[derive(Debug)]
pub enum Answer {
    Known(u32),
}

fn main() {
    println!("{:?}", Answer::Known(42));
}

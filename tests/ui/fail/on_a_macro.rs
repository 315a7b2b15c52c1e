use memprof::memprofile;

#[memprofile]
macro_rules! answer {
    () => {
        42
    };
}

fn main() {
    let _ = answer!();
}

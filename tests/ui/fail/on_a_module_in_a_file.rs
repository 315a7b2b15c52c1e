use memprof::memprofile;

#[memprofile]
mod elsewhere;

fn main() {}

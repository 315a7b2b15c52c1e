//! Which lines keep more the longer a program runs?

use memprof::leak::leaks;
use memprof::memprofile;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[derive(Default)]
struct Server {
    names: Vec<String>,
    last: Option<Vec<u8>>,
}

#[memprofile(print = "never")]
impl Server {
    fn handle(&mut self, number: usize) {
        // Replaces what was there.
        self.last = Some(vec![0; 4096]);
        // Grows for ever.
        self.names.push(format!("request {number:06}"));
    }
}

fn main() {
    let mut server = Server::default();
    server.names.reserve(10_000);
    server.handle(0);

    let before = memprof::report();
    for number in 1..1_000 {
        server.handle(number);
    }
    for leak in leaks(&before, &memprof::report()) {
        println!("{leak}");
    }
}

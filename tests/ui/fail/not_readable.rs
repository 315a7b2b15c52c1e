//! Of such a function not even the parameters can be moved into a future.

use memprof::memprofile;

struct Thing;

impl Thing {
    #[memprofile]
    async fn call(self: Box<Fn()>) {}
}

fn main() {}

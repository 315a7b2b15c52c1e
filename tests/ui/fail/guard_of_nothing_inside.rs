use memprof::memprofile;

struct Thing;

#[memprofile(on_exceed = "panic")]
impl Thing {
    fn has_no_budget(&self) {}
}

#[memprofile(print = "never")]
mod inner {
    #[memprofile::memprofile(on_exceed = "warn")]
    pub fn has_none_either() {}

    #[memprofile(on_exceed = "callback")]
    impl super::Thing {
        pub fn nor_has_this(&self) {}
    }
}

fn main() {
    Thing.has_no_budget();
    Thing.nor_has_this();
    inner::has_none_either();
}

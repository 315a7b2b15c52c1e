#![forbid(unsafe_code)]
#![deny(warnings)]
//! The program.
#[path = "../../shared/path_module.rs"]
mod path_module;
mod inner;

#[global_allocator]
pub static ALLOC: shop::Counting = shop::Counting::new();

include!(concat!(env!("OUT_DIR"), "/generated.rs"));
include!("included.in");

#[derive(macros::Hello)]
struct Named;

macro_rules! make { ($name:ident) => { fn $name() -> Vec<u8> { vec![0; 10] } }; }
make!(made);

fn main() {
    println!("{} {} {} {}", file!(), line!(), column!(), module_path!());
    println!("{}", include_str!("../../README.md").trim());
    println!("{}", env!("CARGO_MANIFEST_DIR").ends_with("app"));
    println!("{} {} {}", generated(), included(), made().len());
    println!("{} {}", path_module::by_path(), inner::deep::here());
    println!("{} {}", Named.hello(), old::add(&|n| n + 1).len());
    println!("{}", shop::basket(3).len());
    let counted = ALLOC.count() > 0;
    println!("{counted}");
    std::panic::set_hook(Box::new(|info| println!("{}", info.location().unwrap())));
    let _ = std::panic::catch_unwind(|| { fails() });
    std::process::exit(7);
}
#[inline] fn fails() { let n: Option<u8> = None; n.unwrap(); }

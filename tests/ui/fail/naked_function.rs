use memprof::memprofile;

#[memprofile]
#[unsafe(naked)]
extern "C" fn nothing() {
    std::arch::naked_asm!("ret")
}

fn main() {
    nothing();
}

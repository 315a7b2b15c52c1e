//! The compiler has the word, and those who call them find the functions.

use memprof::memprofile;

#[memprofile]
fn has_a_let(number: &u32) -> u32 {
    let doubled = 
}

#[memprofile]
fn has_a_dot(number: &u32) -> &u32 {
    number.
}

#[memprofile]
fn has_an_if(number: &u32) -> u32 {
    if number > 
}

#[memprofile]
async fn has_an_arm(number: &u32) -> u32 {
    match number {
        0 =>
    }
}

struct Thing;

#[memprofile]
impl Thing {
    fn has_an_argument(&self, number: &u32) -> u32 {
        number.max(1, )
        + 
    }

    async fn is_complete(&self) -> u32 {
        42
    }
}

fn main() {
    let _: u32 = has_a_let(&1);
    let _: &u32 = has_a_dot(&1);
    let _: u32 = has_an_if(&1);
    drop(has_an_arm(&1));
    let _: u32 = Thing.has_an_argument(&1);
    drop(Thing.is_complete());
}

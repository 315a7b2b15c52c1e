pub fn basket() -> usize { shop::basket(2).len() }

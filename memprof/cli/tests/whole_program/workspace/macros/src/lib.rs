use proc_macro::TokenStream;
#[proc_macro_derive(Hello)]
pub fn hello(_: TokenStream) -> TokenStream {
    "impl Named { fn hello(&self) -> String { String::from(\"hello\") } }".parse().unwrap()
}

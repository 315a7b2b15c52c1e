pub fn here() -> String { [file!(), module_path!()].concat() } // deep

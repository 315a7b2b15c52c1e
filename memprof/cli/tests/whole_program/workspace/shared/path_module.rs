pub fn by_path() -> String { file!().repeat(100) } // by path

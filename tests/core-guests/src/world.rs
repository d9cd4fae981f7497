//! Prints the guest's arguments, an environment variable and a folder. Ends with the given exit
//! code.

fn main() {
    let mut arguments = std::env::args().skip(1);
    let code = arguments.next().expect("give an exit code");
    for argument in arguments {
        println!("arg={argument}");
    }
    if let Ok(colour) = std::env::var("COLOUR") {
        println!("env={colour}");
    }
    match std::fs::read_dir("/data") {
        Ok(entries) => {
            for entry in entries {
                println!("file={}", entry.expect("an entry").file_name().display());
            }
        }
        Err(error) => println!("no /data: {error}"),
    }
    std::process::exit(code.parse().expect("a number"));
}

//! Promise: a guest sees exactly the arguments, environment variables and folders that it was
//! granted.

use mynah_test_guests::Done;

fn main() -> Done {
    for arg in std::env::args().skip(1) {
        println!("arg={arg}");
    }
    let mut variables: Vec<_> = std::env::vars().collect();
    variables.sort();
    for (name, value) in variables {
        println!("env={name}={value}");
    }
    match std::fs::read_dir("/data") {
        Ok(entries) => {
            let mut names = entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<std::io::Result<Vec<_>>>()?;
            names.sort();
            for name in names {
                println!("file={name}");
            }
        }
        Err(error) => println!("no /data: {error}"),
    }
    Ok(())
}

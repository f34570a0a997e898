//! Compares static signatures with what `inspect.signature` says of the imported modules.
//!
//! `cargo run --release -p shipway-pyapi --example inspect -- PYTHON WHEEL...`: PYTHON belongs to a
//! virtual environment in which the wheels are installed. Only disagreements are printed.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

#[path = "../benches/harness/signatures.rs"]
mod signatures;

use std::path::Path;

fn main() -> signatures::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let python = arguments.next().ok_or("PYTHON WHEEL...")?;
    let (mut compared, mut through, mut different) = (0, 0, 0);
    for wheel in arguments {
        let agreement = signatures::compare(Path::new(&python), Path::new(&wheel), None)?;
        if agreement.compared == 0 {
            return Err(format!("nothing of {wheel} could be imported: is it installed for {python}?").into());
        }
        println!("{wheel}: {} compared, {} differ", agreement.compared, agreement.differences.len());
        for line in &agreement.differences {
            println!("  {line}");
        }
        compared += agreement.compared;
        through += agreement.through;
        different += agreement.differences.len();
    }
    println!(
        "{different} of {compared} signatures disagree; {through} more are `*args, **kwargs` looked through"
    );
    Ok(())
}

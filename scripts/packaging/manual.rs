//! Writes the man page and the completions of bash, zsh and fish, made from the table of options that the program itself
//! reads its command line by: `cargo run --example manual -- DIRECTORY`. A program of its own, so that the daemon does not
//! carry what is needed once.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap_complete::{Generator, Shell, generate};
use clap_mangen::Man;

/// What the table does not know, from the synopsis to the list of options, and from there to the end.
const DESCRIPTION: &str = include_str!("description.roff");
const SECTIONS: &str = include_str!("sections.roff");

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [directory] = &arguments[..] else {
        eprintln!("manual DIRECTORY: where the man page and the completions are to be written");
        return ExitCode::from(2);
    };
    let directory = Path::new(directory);
    match write(directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manual: can't write to {}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

/// Writes `tailcast.8`, `tailcast.bash`, `_tailcast` and `tailcast.fish` into `directory`, which is made where it is
/// missing.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    man_page(&mut File::create(directory.join("tailcast.8"))?)?;
    completion(Shell::Bash, &directory.join("tailcast.bash"))?;
    completion(Shell::Zsh, &directory.join("_tailcast"))?;
    completion(Shell::Fish, &directory.join("tailcast.fish"))
}

fn man_page(out: &mut impl Write) -> io::Result<()> {
    let version = concat!("tailcast ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(tailcast::config::command())
        .title("TAILCAST")
        .section("8")
        .source(version)
        .manual("System administration");
    man.render_title(out)?;
    man.render_name_section(out)?;
    out.write_all(DESCRIPTION.as_bytes())?;
    man.render_options_section(out)?;
    out.write_all(SECTIONS.as_bytes())
}

fn completion(shell: impl Generator, path: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    generate(
        shell,
        &mut tailcast::config::command(),
        "tailcast",
        &mut text,
    );
    fs::write(path, text)
}

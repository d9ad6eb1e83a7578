//! Writes the first corpus of every fuzz target below the folder that is its only argument.

#[path = "laws/mod.rs"]
mod laws;

use std::path::Path;
use std::{env, fs, process};

fn main() {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("usage: seeds FOLDER");
        process::exit(64);
    };
    for (target, _) in laws::TARGETS {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder).expect("a folder for the corpus");
        let seeds = laws::seeds::of(target);
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed).expect("a seed");
        }
        println!("{target}: {} seeds", seeds.len());
    }
}

//! Makes the page that the function serves, as it is and compressed: it has 2 MB.

use std::{env, error::Error, fs, io::Write, path::Path};

use flate2::{Compression, GzBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=assets");
    let page = fs::read_to_string("assets/page.html")?
        .replace("{{style}}", &fs::read_to_string("assets/swagger-ui.css")?)
        .replace("{{script}}", &fs::read_to_string("assets/swagger-ui-bundle.js")?);
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    fs::write(out.join("page.html"), &page)?;
    // Without the time, so that the same input gives the same bytes.
    let file = fs::File::create(out.join("page.html.gz"))?;
    let mut encoder = GzBuilder::new().mtime(0).write(file, Compression::best());
    encoder.write_all(page.as_bytes())?;
    encoder.finish()?;
    Ok(())
}

//! Makes the page that the function serves, as it is and compressed: each as the JSON string in which Lambda sends it,
//! as it has 2 MB.

use std::{env, error::Error, fs, io::Write, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, GzBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=assets");
    let page = fs::read_to_string("assets/page.html")?
        .replace("{{style}}", &fs::read_to_string("assets/swagger-ui.css")?)
        .replace("{{script}}", &fs::read_to_string("assets/swagger-ui-bundle.js")?);
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    fs::write(out.join("page.json"), serde_json::to_string(&page)?)?;
    // Without the time, so that the same input gives the same bytes.
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(page.as_bytes())?;
    let compressed = STANDARD.encode(encoder.finish()?);
    fs::write(out.join("page.gz.json"), serde_json::to_string(&compressed)?)?;
    Ok(())
}

//! `template.yaml`: AWS's own checks of it, and what CloudFormation gets to see.

use std::{fs, path::PathBuf};

use tokio::process::Command;

use crate::{
    settings::{root, target},
    tools::Sam,
    ui::step,
};

use anyhow::{Context, Result, bail};
/// Any region will do: nothing is asked of AWS.
const REGION: &str = "us-east-1";

/// Checks the template with `sam validate --lint` and with cfn-lint.
pub(crate) async fn check(sam: &Sam) -> Result<()> {
    step("Checking the template");
    let mut validate = Command::new(&sam.cli);
    validate.args(["validate", "--lint", "--region", REGION]).env("SAM_CLI_TELEMETRY", "0");
    let mut lint = Command::new(&sam.cfn_lint);
    lint.args(["template.yaml", "--regions", REGION]);
    for mut command in [validate, lint] {
        let output = command.current_dir(root()).output().await?;
        if !output.status.success() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            bail!("{}{}", text(&output.stdout), text(&output.stderr));
        }
    }
    Ok(())
}

/// Runs the SAM transform for two releases, and answers the files with its results.
pub(crate) async fn transform(sam: &Sam) -> Result<[PathBuf; 2]> {
    let script = root().join("tests").join("transform.py");
    let paths = ["template.json", "template-of-the-next-release.json"].map(|name| target().join(name));
    for (path, release) in paths.iter().zip(["Release=1700000000", "Release=1700000001"]) {
        let mut command = Command::new(&sam.python);
        let output = command.arg(&script).arg(root().join("template.yaml")).arg(release).output().await?;
        if !output.status.success() {
            bail!("The SAM transform failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        fs::write(path, &output.stdout).with_context(|| path.display().to_string())?;
    }
    Ok(paths)
}

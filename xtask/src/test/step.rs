//! The steps of `cargo xtask test`.

use devtools::{build::Processor, tools::system::Package};

/// A step of the run. Its name on the command line runs it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Format,
    Clippy,
    Rustdoc,
    Template,
    Workflows,
    Client,
    Build,
    Tests,
    Events,
    SignIn,
    Frontend,
    Artefacts,
    Emulator,
    Arm64,
    Budgets,
    Faults,
}

impl Step {
    pub(super) const ALL: [Self; 16] = [
        Self::Format,
        Self::Clippy,
        Self::Rustdoc,
        Self::Template,
        Self::Workflows,
        Self::Client,
        Self::Build,
        Self::Tests,
        Self::Events,
        Self::SignIn,
        Self::Frontend,
        Self::Artefacts,
        Self::Emulator,
        Self::Arm64,
        Self::Budgets,
        // Last, when no build runs at the same time any more, because this step depends on timing.
        Self::Faults,
    ];

    /// The step's name on the command line, and its description.
    pub(super) const fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::Format => ("format", "the format of the code"),
            Self::Clippy => ("clippy", "clippy"),
            Self::Rustdoc => ("rustdoc", "the documentation of the code"),
            Self::Template => ("template", "template.yaml with AWS's tools"),
            Self::Workflows => ("workflows", "the workflows of .github with zizmor and actionlint"),
            Self::Client => ("client", "a TypeScript client made from openapi.json"),
            Self::Build => ("build", "a build of the functions"),
            Self::Tests => ("tests", "unit and end-to-end tests"),
            Self::Events => ("events", "the sample events through cargo lambda, and the documentation in a browser"),
            Self::SignIn => ("sign-in", "signing in from a page in a browser"),
            Self::Frontend => ("frontend", "the example application, in a browser"),
            Self::Faults => ("faults", "the fault suite, in its short form"),
            Self::Artefacts => ("artefacts", "a build of the artefacts"),
            Self::Emulator => ("emulator", "the artefacts under Lambda's emulator"),
            Self::Arm64 => ("arm64", "an artefact for arm64, under Lambda's emulator (only by this name)"),
            Self::Budgets => ("budgets", "the number of instructions of a request"),
        }
    }

    /// Whether this machine can run the step.
    pub(super) fn is_possible(self) -> bool {
        match self {
            Self::Artefacts | Self::Emulator => Processor::here() == Some(Processor::X86_64),
            Self::Arm64 => Processor::here().is_some(),
            Self::Budgets => Processor::here() == Some(Processor::X86_64) && Package::Valgrind.find().is_some(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_names_of_their_own() {
        let mut names = Step::ALL.map(|step| step.described().0);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| matches!(pair, [one, other] if one != other)), "{names:?}");
    }
}

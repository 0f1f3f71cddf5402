//! What the machine has for trying it out.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::geteuid;

/// What has to be installed before the printed lines work; `None` where nothing has to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LanguageTools {
    pub(super) curl: Option<String>,
    pub(super) python: Option<String>,
    pub(super) node: Option<String>,
}

impl LanguageTools {
    /// Looks on this machine.
    pub(super) fn look() -> Self {
        let mut venv = Command::new("python3");
        // Isolated: Python would otherwise look for modules in the folder where somebody called us.
        venv.args(["-I", "-c", "import venv, ensurepip"]);
        let has_venv = venv
            .current_dir("/")
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        Self {
            curl: (!on_path("curl")).then(|| advice("curl")),
            python: (!has_venv).then(|| advice("python3-venv")),
            node: (!(on_path("node") && on_path("npm"))).then(|| advice("nodejs npm")),
        }
    }
}

fn advice(packages: &str) -> String {
    if on_path("apt-get") {
        let sudo = if geteuid().is_root() { "" } else { "sudo " };
        format!("{sudo}apt-get install -y --no-install-recommends {packages}")
    } else {
        // Package names are Debian's; a comment can be pasted and does nothing.
        format!("# install {packages}")
    }
}

fn on_path(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder: std::path::PathBuf| {
        let path: &Path = &folder.join(program);
        path.is_file()
    })
}

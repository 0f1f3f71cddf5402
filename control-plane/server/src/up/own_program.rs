//! How this program is called in a shell here.

use std::{env, path::Path};

use super::shell_word::shell_word;

/// Its name when PATH leads to it, its path otherwise.
pub(super) fn own_program() -> String {
    const NAME: &str = "tollway";
    let Ok(own) = env::current_exe() else {
        return NAME.to_owned();
    };
    let on_path = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join(NAME))
        .find(|program| program.is_file());
    match on_path.and_then(|program| program.canonicalize().ok()) {
        Some(found) if found == own => NAME.to_owned(),
        _ => own.to_string_lossy().into_owned(),
    }
}

/// The line that stops what runs in a data folder.
pub(super) fn down_line(folder: &Path) -> String {
    let program = shell_word(&own_program());
    format!(
        "{program} down --data-dir {}",
        shell_word(&folder.to_string_lossy())
    )
}

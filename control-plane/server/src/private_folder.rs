//! Folders that hold keys: ours alone, and nothing else's.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::Path,
};

use rustix::process::geteuid;

/// Makes the folder, or takes one that is there: of this mode afterwards, and owned by us.
///
/// The mode of a folder is changed only when it is empty or ours by `marker`, a file that we put there: somebody who
/// names `/tmp` by mistake must not find the machine's temporary folder closed.
pub(crate) fn claim(path: &Path, marker: &str, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let metadata = fs::metadata(path)?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(io::Error::other(
            "it belongs to another user, who could exchange what is in it; choose a folder of your own",
        ));
    }
    if metadata.mode() & 0o7777 == mode {
        return Ok(());
    }
    let is_ours = path.join(marker).exists() || fs::read_dir(path)?.next().is_none();
    if !is_ours {
        return Err(io::Error::other(format!(
            "others can enter it and it holds other things; choose an empty folder, or run `chmod {mode:o}` on it first"
        )));
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn folder_is_made_or_taken_when_it_is_empty_or_marked() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/b");
        claim(&path, "marker", 0o711).unwrap();
        assert_eq!(mode(&path), 0o711);
        claim(&path, "marker", 0o700).unwrap();
        assert_eq!(mode(&path), 0o700);
        fs::write(path.join("marker"), "").unwrap();
        claim(&path, "marker", 0o711).unwrap();
        assert_eq!(mode(&path), 0o711);
    }

    #[test]
    fn folder_of_somebody_else_or_with_other_things_keeps_its_mode() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("other"), "").unwrap();
        fs::set_permissions(outer.path(), Permissions::from_mode(0o1777)).unwrap();
        let told = claim(outer.path(), "marker", 0o700).unwrap_err().to_string();
        assert!(told.contains("chmod 700"), "{told}");
        assert_eq!(mode(outer.path()), 0o1777);
        // A folder that is private already is taken with what is in it: keys may have been put there before.
        fs::set_permissions(outer.path(), Permissions::from_mode(0o700)).unwrap();
        claim(outer.path(), "marker", 0o700).unwrap();

        if geteuid().is_root() {
            std::os::unix::fs::chown(outer.path(), Some(65_534), None).unwrap();
            let told = claim(outer.path(), "marker", 0o700).unwrap_err().to_string();
            assert!(told.contains("another user"), "{told}");
        }
    }
}

//! Subjects, filters and the trie: the only matching code of the project.

//! The nouns of the control plane: typed ids, names, limits, lifecycle stages.

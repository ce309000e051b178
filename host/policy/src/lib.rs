//! Who may do and see what: masks by classification and tag.

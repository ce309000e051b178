//! Typed steps from a data contract, for malla-sdk.

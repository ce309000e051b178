//! A plugin's life on its author's machine: new, build, inspect, test.

import Testing

/// One process has one simulated world at a time, so their tests come one after the other.
@Suite(.serialized) enum Worlds {}

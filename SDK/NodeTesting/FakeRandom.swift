internal import CNodeABI

/// SplitMix64: small, and the same everywhere.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension FakeHost {
  func randomNumber(_ function: String, _ body: (inout SeededNumbers) -> UInt64) -> UInt64 {
    guard allows("nh_random_service.\(function)") else { return 0 }
    return body(&random)
  }

  func fill(_ room: nh_buffer) -> nh_status {
    guard permits("nh_random_service.fill") else { return NH_UNAVAILABLE }
    for index in 0..<Int(room.len) { room.ptr?[index] = UInt8(truncatingIfNeeded: random.next()) }
    return NH_OK
  }
}

/// A state that a role saved, with something in it that it did not write.
enum DamagedState {
  private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
  /// Where counting on breaks, in decimal.
  private static let numbers = [
    "9223372036854775807", "9223372036854775808", "18446744073709551615", "-9223372036854775808", "-1", "4294967295",
    "99999999999999999999999", "0", "1e309", "",
  ]

  /// The first ones try each of the numbers; then chance takes over.
  static func make(of state: [UInt8], _ seed: UInt64, round: Int) -> [UInt8] {
    guard !state.isEmpty else { return [0xFF] }
    var random = SeededNumbers(seed: seed &+ UInt64(round), stream: 5)
    if round < numbers.count { return with(numbers[round], in: state, &random) }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: return withOtherBytes(state, &random)
    case 1: return withLargeWord(state, &random)
    case 2: return state + state
    default: return with(numbers.randomElement(using: &random)!, in: state, &random)
    }
  }

  private static func withOtherBytes(_ state: [UInt8], _ random: inout SeededNumbers) -> [UInt8] {
    var state = state
    for _ in 0..<3 { state[Int.random(in: state.indices, using: &random)] = .random(in: 0...255, using: &random) }
    return state
  }

  /// The length or number that eight bytes in it may be, as large as it gets.
  private static func withLargeWord(_ state: [UInt8], _ random: inout SeededNumbers) -> [UInt8] {
    var state = state
    let place = Int.random(in: state.indices, using: &random)
    for index in place..<min(place + 8, state.count) { state[index] = 0xFF }
    if place + 7 < state.count, Bool.random(using: &random) { state[place + 7] = 0x7F }
    return state
  }

  /// A decimal number in it as another.
  private static func with(_ number: String, in state: [UInt8], _ random: inout SeededNumbers) -> [UInt8] {
    let starts = state.indices.filter { digits ~= state[$0] && ($0 == 0 || !(digits ~= state[$0 - 1])) }
    guard let start = starts.randomElement(using: &random) else { return withOtherBytes(state, &random) }
    let end = state[start...].firstIndex { !(digits ~= $0) } ?? state.endIndex
    return state[..<start] + Array(number.utf8) + state[end...]
  }
}

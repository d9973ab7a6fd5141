import Testing

@testable import NodeKit

/// What belongs to the host's handles, beside a dictionary that is asked for the same.
@Suite struct HandleMapTests {
  @Test func isWhatADictionaryIs() {
    var map = HandleMap<Int>(), known: [UInt64: Int] = [:]
    var random = Numbers(state: 7)
    for step in 0..<20_000 {
      // Few at a time, from a table whose places are used again, as the host gives them out.
      let handle = 1 + random.next() % 3 << 32 | random.next() % 40
      if random.next() % 5 < 3 {
        map[handle] = step
        known[handle] = step
      } else {
        #expect(map.remove(handle) == known.removeValue(forKey: handle))
      }
      #expect(map.count == known.count)
    }
    for handle in 0..<200 as Range<UInt64> {
      for generation in 0..<5 as Range<UInt64> {
        let handle = generation << 32 | handle
        #expect(map[handle] == known[handle])
      }
    }
    #expect(map.elements.sorted() == known.values.sorted())
  }

  /// Handles that count up for ever take no more room than those that are in use.
  @Test func forgetsWhatWasRemoved() {
    var map = HandleMap<String>()
    for handle in 1...10_000 as ClosedRange<UInt64> {
      map[handle] = "\(handle)"
      if handle > 8 { #expect(map.remove(handle - 8) == "\(handle - 8)") }
    }
    #expect(map.count == 8)
    #expect(map.elements.sorted() == (9_993...10_000).map { "\($0)" }.sorted())
    map[9_999] = nil
    #expect(map[9_999] == nil && map[10_000] == "10000" && map[0] == nil && map.remove(0) == nil)
  }

  private struct Numbers {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
  }
}

import CHttp2
@testable import HostRuntime
import Testing

/// The memory that nghttp2 takes what it notes from.
@Suite struct HTTP2MemoryTests {
  private let memory = HTTP2Memory()
  private var functions: nghttp2_mem { memory.functions }

  private func take(_ size: Int) -> UnsafeMutableRawPointer { functions.malloc(size, functions.mem_user_data)! }
  private func giveBack(_ piece: UnsafeMutableRawPointer?) { functions.free(piece, functions.mem_user_data) }

  @Test func whatWasGivenBackIsTakenAgain() {
    let first = take(100), second = take(100)
    #expect(first != second)
    giveBack(first)
    giveBack(second)
    giveBack(nil)
    // The same number of steps of 64 bytes, the last one first.
    #expect(take(65) == second && take(128) == first)
    let larger = take(129)
    #expect(larger != first && larger != second)
    for piece in [first, second, larger] { giveBack(piece) }
  }

  @Test func zeroesAreZeroesInOldPiecesToo() {
    let old = take(200)
    old.initializeMemory(as: UInt8.self, repeating: 0xFF, count: 200)
    giveBack(old)
    let new = functions.calloc(20, 10, functions.mem_user_data)!
    #expect(new == old)
    #expect(UnsafeRawBufferPointer(start: new, count: 200).allSatisfy { $0 == 0 })
    giveBack(new)
  }

  /// Within a step, from step to step, to the system's own and there.
  @Test func whatGrowsKeepsItsBytes() {
    var piece = functions.realloc(nil, 10, functions.mem_user_data)!
    UnsafeMutableRawBufferPointer(start: piece, count: 10).copyBytes(from: 0..<10)
    for size in [60, 64, 65, 1_000, 1_024, 1_025, 100_000] {
      piece = functions.realloc(piece, size, functions.mem_user_data)!
      #expect(UnsafeRawBufferPointer(start: piece, count: 10).elementsEqual(0..<10), "\(size)")
      #expect(UInt(bitPattern: piece) % 16 == 0)
    }
    giveBack(piece)
  }

  @Test func noTwoPiecesShareAByte() {
    var numbers = SystemRandomNumberGenerator()
    var held: [(piece: UnsafeMutableRawPointer, size: Int, mark: UInt8)] = []
    for round in 0..<20_000 {
      let size = Int.random(in: 0...1_200, using: &numbers), mark = UInt8(truncatingIfNeeded: round)
      let piece = take(size)
      piece.initializeMemory(as: UInt8.self, repeating: mark, count: size)
      held.append((piece, size, mark))
      guard held.count > 50 else { continue }
      let (old, count, its) = held.remove(at: Int.random(in: 0..<held.count, using: &numbers))
      #expect(UnsafeRawBufferPointer(start: old, count: count).allSatisfy { $0 == its })
      giveBack(old)
      if round % 1_000 == 0 { memory.trim() }
    }
    for one in held { giveBack(one.piece) }
  }
}

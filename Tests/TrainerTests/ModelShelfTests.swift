import Testing

@testable import TrainerCore

@Suite struct ModelShelfTests {
  private static let size = 300_000

  /// All of a model, as it comes in two pieces.
  private func arrived(_ digit: UInt8, in room: consuming [UInt8]) throws -> [UInt8] {
    let intake = ModelIntake(size: Self.size, in: room), half = [UInt8](repeating: digit, count: Self.size / 2)
    #expect(try intake.add(half[...]) == nil)
    return try #require(try intake.add(half[...]))
  }

  @Test func theMemoryOfOneThatMakesWayIsTheNextOnes() throws {
    var shelf = ModelShelf(limit: 2 * Self.size)
    var places: [UnsafeRawPointer?] = []
    for digit: UInt8 in 0..<6 {
      let model = try arrived(digit, in: shelf.room(for: Self.size))
      #expect(model == [UInt8](repeating: digit, count: Self.size))
      places.append(model.withUnsafeBytes { $0.baseAddress })
      shelf.keep("digest-\(digit)", model)
    }
    #expect(Set(places).count == 2, "new memory costs as much as what is put there")
    #expect(shelf.models.map(\.digest) == ["digest-4", "digest-5"])
  }

  @Test func aModelThatIsStillInUseIsNotWrittenOver() throws {
    var shelf = ModelShelf(limit: Self.size)
    let first = try arrived(1, in: shelf.room(for: Self.size))
    shelf.keep("first", first)
    let second = try arrived(2, in: shelf.room(for: Self.size))
    #expect(first.allSatisfy { $0 == 1 } && second.allSatisfy { $0 == 2 })
  }
}

import CNodeABI
import NodeValues
import Testing

@Suite struct SignatureTests {
  @Test func readsAndWrites() throws {
    let signature = try Signature(parsing: "l(lIsbjzd)")
    #expect(signature.result == .int64)
    #expect(signature.parameters == [.int64, .uint32, .text, .bytes, .json, .bool, .double])
    #expect(signature.description == "l(lIsbjzd)")
  }

  @Test(arguments: ["", "l", "l()x", "x()", "l(v)", "l(ll", "l(llllllllllllllllll)"])
  func refuses(_ text: String) {
    #expect(throws: SignatureError.self) { try Signature(parsing: text) }
  }

  @Test func packsValuesInOneBlock() {
    let values: [Value] = [.int(-1), .text("héllo"), .bytes([1, 2]), .double(0.5), .bool(true), .text("")]
    let types: [ValueType] = [.int64, .text, .bytes, .double, .bool, .text]
    let packed = PackedValues(values)
    #expect(zip(0..., types).map { Value(packed.slots[$0], $1) } == values)
  }

  /// What another role lends, as it lends it.
  private func copy(_ values: [Value], lent types: [ValueType], as wanted: [ValueType]) -> [Value?]? {
    let packed = PackedValues(values)
    let lent = types.enumerated().map { place, type in
      nh_value(letter: UInt32(type.rawValue), reserved: 0, slot: packed.slots[place])
    }
    let copied = lent.withUnsafeBufferPointer { PackedValues($0, as: wanted) }
    return withExtendedLifetime(packed) {
      copied.map { copied in zip(0..., wanted).map { Value(copied.slots[$0], $1) } }
    }
  }

  @Test func copiesWhatIsOfTheTypesThatAreWanted() {
    let values: [Value] = [
      .int(-1), .text("hello"), .bytes([1, 0xFF]), .double(0.5), .json("{}"), .text(""), .unsigned(7),
    ]
    let types: [ValueType] = [.int64, .text, .bytes, .double, .json, .text, .uint64]
    #expect(copy(values, lent: types, as: types) == values)
    #expect(copy([], lent: [], as: []) == [])
  }

  /// Somebody has to look whether these fit.
  @Test(arguments: [
    (Value.int(1), ValueType.int64, ValueType.int32), (.int(1), .int32, .int32), (.unsigned(1), .uint32, .uint32),
    (.bool(true), .bool, .bool), (.nothing, .nothing, .nothing), (.text("é"), .text, .text), (.text("1"), .text, .json),
  ])
  func leavesWhatMayNotFit(_ value: Value, _ type: ValueType, _ wanted: ValueType) {
    #expect(copy([value], lent: [type], as: [wanted]) == nil)
    #expect(copy([value], lent: [type], as: []) == nil)
  }
}

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
}

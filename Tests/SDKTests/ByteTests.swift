import NodeKit
import Testing

/// Numbers, text and bytes, put together and taken apart.
@Suite struct ByteTests {
  @Test func whatIsWrittenIsRead() throws {
    var writer = ByteWriter()
    writer.add(UInt8(7))
    writer.add(Int64.min)
    writer.add(true)
    writer.add(counted: "grün")
    writer.add(counted: [1, 2, 3] as [UInt8])
    writer.add(rest: "end".utf8)
    var reader = ByteReader(writer.bytes)
    #expect(try reader.number(UInt8.self) == 7 && reader.number(Int64.self) == .min && reader.truth())
    #expect(try reader.text() == "grün" && reader.counted() == [1, 2, 3])
    #expect(reader.left == 3 && reader.rest() == Array("end".utf8))
    try reader.end()
    #expect(writer.count == writer.bytes.count && Array(writer.bytes[1..<9]) == [0, 0, 0, 0, 0, 0, 0, 0x80])
  }

  @Test func nothingIsBelieved() {
    var short = ByteReader([1, 2, 3])
    #expect(throws: MalformedBytes.self) { try short.number(UInt32.self) }
    // A count that is larger than what there is takes no memory.
    var counted = ByteReader([255, 255, 255, 255, 1])
    #expect(throws: MalformedBytes.self) { try counted.counted() }
    var text = ByteReader([1, 0, 0, 0, 0xFF])
    #expect(throws: MalformedBytes.self) { try text.text() }
    var truth = ByteReader([2])
    #expect(throws: MalformedBytes.self) { try truth.truth() }
    #expect(throws: MalformedBytes.self) { try ByteReader([1]).end() }
  }

  @Test func jsonIsHandedOnAsItCame() throws {
    let passed = try PassedJSON(.json("{\"b\": 1,  \"a\": 2}"))
    #expect(passed.value == .json("{\"b\": 1,  \"a\": 2}") && PassedJSON.valueType == .json)
    #expect(try passed.read()["a"] == 2 && PassedJSON(["a": 1] as JSON).text == "{\"a\":1}")
    #expect(throws: RoleError.self) { try PassedJSON(text: "{").read() }
    #expect(throws: RoleError.self) { try PassedJSON(.text("x")) }
  }
}

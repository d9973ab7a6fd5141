import NodeKit
import Testing

@testable import Training

@Suite struct NpzWriterTests {
  @Test func whatIsWrittenIsRead() throws {
    let pixels = NumberArray(shape: [3, 2, 2], numbers: (0..<12).map { Float($0 * 20) }, areBytes: true)
    let floats = NumberArray(shape: [2], numbers: [1.5, -2], areBytes: false)
    var writer = NpzWriter()
    try writer.add("x", pixels)
    try writer.add("f", floats)
    try writer.add("y", [7, 0, 3])
    let file = try NpzReader(writer.bytes[...])
    #expect(file.names == ["x", "f", "y"])
    #expect(try file.array("x") == pixels && file.array("f") == floats)
    #expect(try file.array("y").labels() == [7, 0, 3])
    #expect(
      pixels.rows([2, 0])
        == NumberArray(
          shape: [2, 2, 2], numbers: [160, 180, 200, 220, 0, 20, 40, 60], areBytes: true))
  }
}

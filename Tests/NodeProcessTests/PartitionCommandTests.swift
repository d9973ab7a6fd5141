import HostRuntime
import NodeValues
import Testing

/// `hostctl fl partition`, with NumPy at both ends.
@Suite struct PartitionCommandTests {
  private let machine = Machine()

  private func make() throws -> String {
    let script = """
      import numpy
      numpy.savez("\(machine.path("all.npz"))", x=numpy.arange(600 * 12, dtype=numpy.uint8).reshape(600, 3, 4),
                  y=numpy.arange(600) * 7 % 10)
      """
    let made = run(["/usr/bin/python3", "-c", script])
    try #require(made.code == 0, "\(made.output)")
    return machine.path("all.npz")
  }

  private func counts(_ words: [String]) throws -> [[Int64]] {
    let done = machine.hostctl(["fl", "partition"] + words + ["--json"])
    try #require(done.code == 0, "\(done.all)")
    return try JSON(parsing: done.output)["parts"]?.array?.map { $0["labels"]?.array?.compactMap(\.int) ?? [] } ?? []
  }

  @Test func partsHoldAllSamplesOnce() throws {
    let file = try make()
    let equal = try counts([file, "--parts", "4", "--output", machine.path("equal")])
    #expect(equal.map { $0.reduce(0, +) } == [150, 150, 150, 150])
    let uneven = try counts([file, "--parts", "4", "--alpha", "0.1", "--output", machine.path("uneven")])
    #expect(uneven.reduce(0) { $0 + $1.reduce(0, +) } == 600 && uneven.contains { $0.contains(0) }, "\(uneven)")
    #expect(try counts([file, "--parts", "4", "--alpha", "0.1", "--output", machine.path("again")]) == uneven)
    #expect(try counts([file, "--parts", "4", "--alpha", "0.1", "--seed", "2", "-o", machine.path("2")]) != uneven)
    let script = """
      import numpy
      whole = numpy.load("\(file)")
      for folder in ("\(machine.path("equal"))", "\(machine.path("uneven"))"):
          parts = [numpy.load("%s/all-%d.npz" % (folder, part)) for part in (1, 2, 3, 4)]
          assert all(part["x"].dtype == numpy.uint8 and part["x"].shape[1:] == (3, 4) for part in parts)
          pairs = sorted((bytes(x), y) for part in parts for x, y in zip(part["x"], part["y"]))
          assert pairs == sorted((bytes(x), y) for x, y in zip(whole["x"], whole["y"])), folder
      """
    let read = run(["/usr/bin/python3", "-c", script])
    #expect(read.code == 0, "\(read.output)")
    let again = machine.hostctl("fl", "partition", machine.path("equal/all-1.npz"), "--parts", "2")
    #expect(again.code == 0 && again.output.contains("FILE") && again.output.contains("75"), "\(again.all)")
  }

  @Test(arguments: [
    (["--parts", "3"], "hostctl: nothing.npz: "), (["--parts", "0"], "--parts is a whole number from 1 to 10000"),
    ([], "partition needs --parts"), (["--parts", "2", "--alpha", "x"], "nothing.npz"),
  ])
  func whatIsWrongIsSaid(_ words: [String], _ error: String) {
    let done = machine.hostctl(["fl", "partition", "nothing.npz"] + words)
    #expect(done.code != 0 && done.errors.contains(error), "\(done.all)")
  }

  @Test func foldersOfPicturesAreCutToo() throws {
    let tests = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let pictures = tests + "/TrainingTests/Data/pictures"
    let words = [pictures, "--parts", "2", "--size", "3x2", "--colour", "-o", machine.path("out")]
    let parts = try counts(words)
    #expect(parts.map { $0.reduce(0, +) }.sorted() == [2, 3], "\(parts)")
    let script = """
      import numpy
      parts = [numpy.load("\(machine.path("out"))/pictures-%d.npz" % part)["x"] for part in (1, 2)]
      assert all(part.dtype == numpy.uint8 and part.shape[1:] == (3, 2, 3) for part in parts), parts
      """
    let read = run(["/usr/bin/python3", "-c", script])
    #expect(read.code == 0, "\(read.output)")
    let odd = machine.hostctl("fl", "partition", pictures, "--parts", "2", "--size", "big")
    #expect(odd.code != 0 && odd.errors.contains("such as 64x48"), "\(odd.all)")
  }

  @Test func tablesAreCutToo() throws {
    machine.write("iris.csv", "a,b,class\n" + (0..<30).map { "\($0),0.5,\($0 % 3)\n" }.joined())
    let parts = try counts([machine.path("iris.csv"), "--labels", "class", "--parts", "3", "-o", machine.path("out")])
    #expect(parts.map { $0.reduce(0, +) } == [10, 10, 10])
    let bare = machine.hostctl("fl", "partition", machine.path("iris.csv"), "--parts", "3")
    #expect(bare.errors.contains("say with --labels where they are"), "\(bare.all)")
  }
}

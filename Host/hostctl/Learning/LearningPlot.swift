import Glibc
import HostCore
import NodeValues

/// `hostctl fl plot`: accuracy and loss of sessions, on the terminal or in a picture.
enum LearningPlot {
  private static let terminalHeight = 12

  static func run(_ words: [String], _ invocation: Invocation) throws(CommandFailure) {
    var all: [Curves] = []
    for id in words.isEmpty ? [try LearningCommand.session(nil, invocation)] : words {
      all.append(Curves(id, try LearningCommand.events(of: id, invocation)))
    }
    let panels = [("accuracy", all.map(\.accuracy)), ("loss", all.map(\.loss))].filter { panel in
      panel.1.contains { !$0.points.isEmpty }
    }
    if invocation.has("json") { return try Output.json(json(panels)) }
    guard !panels.isEmpty else { throw CommandFailure("nothing was measured yet; wait for the first round") }
    guard let path = invocation.value("output") else {
      for (title, curves) in panels {
        try Output.write(Output.style.paint(title, .bold) + "\n")
        try Output.write(
          TerminalPlot.text(curves, width: Output.width ?? TextLayout.usualWidth, height: terminalHeight))
      }
      return
    }
    let bytes: [UInt8]
    switch path.split(separator: ".").last {
    case "svg":
      let picture = VectorPicture()
      CurvePicture.draw(panels, on: picture)
      bytes = Array(picture.text.utf8)
    case "png":
      let picture = PixelPicture()
      CurvePicture.draw(panels, on: picture)
      bytes = picture.png
    default: throw CommandFailure("\(path) is neither .svg nor .png", code: .usage)
    }
    try ModelFileCommand.save(to: path) { write throws(CommandFailure) in try write(bytes) }
    try Output.write("\(path): \(words.isEmpty ? "the newest session" : words.joined(separator: ", "))\n")
  }

  private static func json(_ panels: [(String, [Curves.Curve])]) -> JSON {
    .object(
      JSONObject(
        panels.map { title, curves in
          let lists = curves.map { curve in
            (curve.name, JSON.array(curve.points.map { .array([.double($0.x), .double($0.y)]) }))
          }
          return (title, .object(JSONObject(lists)))
        }))
  }
}

import HostCore
import NodeSchema

/// `hostctl fl`: federated learning.
enum LearningCommand {
  enum Action: String, CaseIterable { case partition }

  static func run(_ invocation: Invocation) throws(CommandFailure) {
    let word = invocation.arguments[0], words = Array(invocation.arguments.dropFirst())
    guard let action = Action(rawValue: word) else {
      let known = Action.allCases.map(\.rawValue)
      let near = nearestWord(to: word, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
      throw CommandFailure("ACTION is one of \(known.joined(separator: ", ")), not \"\(word)\"\(near)", code: .usage)
    }
    switch (action, words.count) {
    case (.partition, 1): try PartitionCommand.run(words[0], invocation)
    default:
      throw CommandFailure("\(word) takes the file of a data set", remedy: "See hostctl fl --help.", code: .usage)
    }
  }
}

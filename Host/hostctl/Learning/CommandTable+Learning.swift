import HostCore

extension CommandTable {
  static let learning = Command(
    name: "fl", summary: "Federated learning: cut data sets into parts for trainers",
    discussion: PartitionCommand.words,
    arguments: [
      Argument("ACTION", help: "partition", completion: .words(LearningCommand.Action.allCases.map(\.rawValue))),
      Argument("WORD", .any, help: "For partition the data set's file", completion: .file),
    ],
    options: PartitionCommand.options, examples: [PartitionCommand.example])
}

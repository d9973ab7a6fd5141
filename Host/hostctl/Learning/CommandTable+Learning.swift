import HostCore

extension CommandTable {
  static let learning = Command(
    name: "fl", summary: "Let trainers learn together, and look at how that goes",
    discussion: """
      start reads a session's document, YAML or JSON, with the sections of Flotilla's training_config; the README of \
      the role flserver has them all. watch shows a session until it is over: a bar for each trainer, and how good \
      the model is. plot draws accuracy and loss of the sessions; with -o FILE as SVG or PNG. export writes a model: \
      the newest one, or that of a checkpoint.

      \(PartitionCommand.words)

      A session outlives the server: it goes on when the node starts again. resume goes on with one that has ended.
      """,
    arguments: [
      Argument(
        "ACTION", help: "start, list, status, watch, trainers, stop, resume, export, plot, history or partition",
        completion: .words(LearningCommand.Action.allCases.map(\.rawValue))),
      Argument(
        "WORD", .any, help: "For start and partition a file, for the others sessions; the newest if not given",
        completion: .file),
    ],
    options: [
      Option(long: "session", value: "ID", help: "start: its name instead of the document's"),
      Option(long: "rounds", value: "COUNT", help: "start, resume: rounds that there are to be in the end"),
      Option(long: "from", value: "FILE", help: "start: begin with the tensors of this safetensors file"),
      Option(long: "server", value: "HOST:PORT", help: "start: where --from is sent; 127.0.0.1:12345 if not given"),
      Option(long: "watch", help: "start, resume, status: watch it then"),
      Option(long: "why", value: "WORDS", help: "stop: stands in the history"),
      Option(long: "output", short: "o", value: "FILE", help: "export, plot: the file to write; partition: the folder"),
      Option(
        long: "format", value: "FORMAT", help: "export: safetensors, npz or onnx; by the file's name if not given"),
      Option(long: "round", value: "NUMBER", help: "export: the round of a checkpoint"),
      Option(long: "after", value: "NUMBER", help: "history: events behind this one"),
      Option(long: "role", value: "NAME", help: "The role's name; flserver if not given"),
    ] + PartitionCommand.options,
    examples: [
      Named("hostctl fl start session.yaml --watch", "Begin, and watch until it is over"),
      Named("hostctl fl plot -o curves.svg", "Accuracy and loss of the newest session"),
      PartitionCommand.example,
      Named("hostctl fl export digits -o digits.npz", "Its newest model"),
    ])
}

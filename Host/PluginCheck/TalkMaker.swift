import HostCore

/// A call of a method of gRPC that the role serves, and how its caller behaves.
struct MadeTalk {
  var path: String
  var metadata: [(String, String)] = []
  var messages: [[UInt8]] = []
  var hasDeadline = true
  /// So many messages are taken before the caller reads on. Never without end: a role may have much to say.
  var room = 16
  /// The caller gives up before it has an answer.
  var isAbandoned = false
}

/// Makes calls up from the paths that the role serves.
struct TalkMaker {
  private var numbers: SeededNumbers

  init(seed: UInt64) { numbers = SeededNumbers(seed: seed, stream: 8) }

  /// Tame ones are small and friendly, and of one message.
  mutating func talk(to route: ScriptedHost.Route, isTame: Bool) -> MadeTalk {
    var talk = MadeTalk(path: "")
    for segment in route.pattern.segments {
      talk.path += "/"
      switch segment {
      case .word(let word): talk.path += String(decoding: word, as: UTF8.self)
      case .any, .rest: talk.path += pick(isTame ? ["Get"] : ["Get", "get", "X_9", "NoSuchMethod"])
      }
    }
    talk.metadata = [("user-agent", "checker/1")]
    talk.messages = [pick(isTame ? Self.tame : Self.wild)]
    guard !isTame else { return talk }
    talk.metadata += pick([
      [], [("x-empty", ""), ("x-empty", "")], [("x-raw-bin", "\u{0}\u{1}\n")],
      [("x-long", String(repeating: "long ", count: 1500))],
    ])
    for _ in 0..<pick([0, 0, 1, 5]) { talk.messages.append(pick(Self.wild)) }
    if pick([false, false, true]) { talk.messages = [] }
    talk.hasDeadline = pick([true, true, false])
    talk.room = pick([1, 2, 16])
    talk.isAbandoned = pick([false, false, false, true])
    return talk
  }

  private mutating func pick<T>(_ choices: [T]) -> T { choices.randomElement(using: &numbers)! }

  /// As Protocol Buffers write nothing, a text in field 1, and a number in field 1; and two that are no such thing.
  private static let tame: [[UInt8]] = [
    [], [10, 3] + Array("ada".utf8), [8, 42], Array("7".utf8), Array("hello".utf8),
  ]
  private static let wild: [[UInt8]] =
    tame + [
      [0], [0xFF], [10, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [8] + [UInt8](repeating: 0xFF, count: 10), [11, 11, 11, 12],
      [UInt8](repeating: 0xFF, count: 1000), [UInt8](repeating: 0x61, count: 200_000),
    ]
}

public import NodeKit

/// The configuration of the role.
public struct ServerSettings: RoleConfig {
  @Setting("The listener of the REST interface.", length: 0...100) public var listener = ""
  @Setting(
    "The role of this node that knows which trainers there are: `gateway`, `member` or `flotilla`; empty is none.")
  public var trainersFrom = "gateway"
  @Setting("Trainers that are always there: http://HOST:PORT of each.", count: 0...10_000)
  public var trainers: [String] = []
  @Setting("Between two looks at who is there.", in: 0.05...3_600) public var lookSeconds = 2.0
  @Setting("Whether sessions that were under way when the node ended go on by themselves when it starts.")
  public var resumes = true
  @Setting("The role of this node that elects which of several servers leads; empty: it is the only one.")
  public var elector = ""
  @Setting("Data sets for trying models, by name: { format: npz, path: digits.npz }, as trainers have theirs.")
  public var data: [String: JSON] = [:]
  @Setting("Threads of a validation.", in: 1...64) public var threads = 1
  @Setting("The most sessions at a time.", in: 1...1_000) public var sessionsAtATime = 16
  @Setting("Bytes of the largest model.", in: 1_024...17_179_869_184) public var modelBytes = 4_294_967_296
  public init() {}
}

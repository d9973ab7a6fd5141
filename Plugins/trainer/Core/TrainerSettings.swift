package import NodeKit

/// The configuration of the role `trainer`.
package struct TrainerSettings: RoleConfig {
  package enum Engine: String, CaseIterable, SettingValue { case builtIn = "built-in", process }

  @Setting("What servers call this trainer; the node's name if left out.", length: 0...100) package var name = ""
  @Setting("The data that it trains on: a name for each set, and where it comes from.")
  package var data: DataList
  @Setting(
    "The share of each data set that models are tried on instead of trained; 0: they are tried on what they learn.",
    in: 0...0.9)
  package var heldOut = 0.1
  @Setting("Whether servers are told how often each label occurs.") package var tellsLabels = true
  @Setting("What this trainer can do, for servers that select by it.", count: 0...64)
  package var capabilities: [String] = []

  @Setting("Whether tasks are refused whose updates the server would see alone: it gets sums of several trainers.")
  package var onlySecure = false

  @Setting("Learning without a server, together with other trainers.") package var gossip = GossipSettings()

  @Setting("What trains: the engine of this role, or a program of yours.") package var engine = Engine.builtIn
  @Setting("The program of `engine: process`, and its arguments; see SDK/python/README.md.", count: 0...100)
  package var program: [String] = []
  @Setting(
    "A task that takes longer ends with an error, if its server does not give up sooner.",
    in: Duration.milliseconds(100)...Duration.seconds(604_800), unit: .seconds)
  package var longest = Duration.seconds(86_400)
  @Setting("Threads of a training.", in: 1...64) package var threads = 1

  @Setting("Tasks that are taken at a time; they are done one after the other.", in: 1...256) package var tasks = 4
  @Setting("The largest model that is taken, in bytes.", in: 1024...17_179_869_184)
  package var modelBytes = 1_073_741_824
  @Setting("What a training may take of memory beside the model and its data, in bytes.", in: 1024...274_877_906_944)
  package var memoryBytes = 4_294_967_296
  @Setting(
    "Models are kept up to so many bytes, so that a server need not send one twice; and the memory of one's weights.",
    in: 0...17_179_869_184)
  package var keptBytes = 268_435_456
  @Setting("Sessions for which it is kept what lossy updates have left out.", in: 1...1024) package var sessions = 16
  @Setting(
    "Between two reports of how far a training is.", in: Duration.milliseconds(10)...Duration.seconds(60),
    unit: .milliseconds)
  package var progress = Duration.milliseconds(500)

  package init() {}

  /// What no schema says.
  func check() throws {
    guard engine == .process || program.isEmpty else {
      throw RoleError(
        .invalidArgument, "a program is there, and it does not train; set `engine: process`", at: "/program")
    }
    guard engine == .builtIn || program.first?.isEmpty == false else {
      throw RoleError(
        .invalidArgument, "`engine: process` needs a program, such as [python3, train.py]", at: "/program")
    }
  }
}

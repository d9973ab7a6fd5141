public import NodeKit

public struct CoordinatorSettings: RoleConfig {
  @Setting(
    "The name of the role that elects: its leader coordinates, and a commit counts when a majority of the nodes has it."
  )
  public var elector = ""
  @Setting(
    "Without an elector: the id of the node that always coordinates, and decides alone; the lowest of all if left out.",
    in: 1...4_294_967_295)
  public var node: Int?
  @Setting("The ids of the nodes that take part; none: all of cluster.peers, and this one.", count: 0...99)
  public var members: [Int] = []
  @Setting("Participants have so long to vote.", in: 10...600_000)
  public var voteMs = 2_000
  @Setting("A participant that has voted asks for the outcome after so long, and then again.", in: 10...600_000)
  public var doubtMs = 1_000
  @Setting("Whoever proposes without a deadline of his own waits so long.", in: 10...86_400_000)
  public var proposeMs = 10_000
  @Setting("More transactions are not open at a time; others get RESOURCE_EXHAUSTED.", in: 1...1_000_000)
  public var openLimit = 10_000
  @Setting("So many transactions that are over are remembered, and on the disk; 300 bytes each.", in: 100...10_000_000)
  public var history = 10_000
  @Setting("The log gets at most so many commits a second; slow ones and aborts always.", in: 0...1_000_000)
  public var logPerSecond = 20
  @Setting("A transaction that took longer is logged always.", in: 1...600_000)
  public var slowMs = 1_000

  public init() {}
}

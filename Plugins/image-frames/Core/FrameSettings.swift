public import NodeKit

public struct FrameSettings: RoleConfig {
  @Setting("Where clients connect, as ADDRESS:PORT with a numeric address.", length: 3...80)
  public var listen = "0.0.0.0:7001"
  @Setting("64 hexadecimal digits. The first cloud's programs never read theirs, and use zeroes.")
  public var key = Secret(String(repeating: "0", count: 64))
  @Setting("Where the role images of this node is reached.", length: 8...200)
  public var images: String
  @Setting("The largest frame; an image takes about four times its size in one.", in: 1024...104_857_600)
  public var frameBytes = 33_554_432
  @Setting("Clients at a time.", in: 1...200)
  public var clients = 32
  @Setting("A client that is silent for so long is left.", in: 1...3600)
  public var idleSeconds = 60

  public init() {}
}

public import NodeKit

public struct ImagesSettings: RoleConfig {
  @Setting("Where clients reach this node: `:7001` is that port where the other nodes see it, else HOST:PORT or a URL.")
  public var address: String
  @Setting("The role that elects the leader.") public var elector = "elector"
  @Setting("So many other nodes have an image before it is acknowledged; none: with this one a majority.", in: 0...99)
  public var replicas: Int?
  @Setting("The ids of the nodes that keep images; none: all of cluster.peers, and this one.", count: 0...99)
  public var members: [Int] = []
  @Setting("The largest image, in MiB.", in: 1...1_048_576) public var maxImageMb = 1024
  @Setting("The longest side of an image, in pixels.", in: 1...65_535) public var maxSide = 32_768
  @Setting("The most pixels, of all frames together; decoding takes time in proportion.", in: 1...2_000_000_000)
  public var maxPixels = 100_000_000
  @Setting("The most frames of one image.", in: 1...10_000) public var maxFrames = 1000
  @Setting(
    "Larger images are taken by their headers and not decoded, which would take that much memory, in MiB.", in: 0...1024
  )
  public var decodeLimitMb = 32
  @Setting("The most entries; each takes 200 bytes of memory. Removed images count.", in: 1...100_000_000)
  public var maxImages = 1_000_000
  @Setting("The most uploads at a time, resumable ones that rest among them.", in: 1...200) public var maxUploads = 128
  @Setting("A resumable upload that nobody goes on with is removed.", in: 60...31_536_000)
  public var uploadSeconds = 86_400
  @Setting("So long a write waits for its replicas.", in: 100...600_000) public var writeTimeoutMs = 10_000
  @Setting("The leader compares what others have with what it has, and repairs, so often.", in: 1...86_400)
  public var compareSeconds = 30
  @Setting("Thumbnails stay on the disk, up to so much, in MiB.", in: 0...1_048_576) public var thumbnailsMb = 64

  public init() {}

  var header: ImageHeader.Limits {
    var limits = ImageHeader.Limits()
    (limits.side, limits.pixels) = (maxSide, maxPixels)
    return limits
  }
  var imageLimit: Int { maxImageMb << 20 }
  var decodeLimit: Int { decodeLimitMb << 20 }
}

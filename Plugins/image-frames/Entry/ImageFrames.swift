import ImageFramesCore
import NodeKit

/// Lets the clients of the first image cloud work with the role images.
@main
final class ImageFrames: Role, Stoppable {
  static let about = About(
    "image-frames", version: "1.0.0", "Speaks the sealed frames of the first image cloud's clients.")
  static let needs: [Need] = [.fd, .client, .roles, .timer, .random]

  private let node: FrameNode

  init(_ context: RoleContext, _ config: FrameSettings) throws { node = try FrameNode(context, config) }

  func start() throws { try node.start() }
  func stop() { node.stop() }
}

import GatewayCore
import NodeKit

@main enum Entry: Plugin { typealias Exported = GatewayRole }

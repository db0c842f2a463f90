import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import net.i2p.data.Hash;
import net.i2p.router.Router;
import net.i2p.router.RouterContext;
import net.i2p.router.tunnel.HopConfig;

/**
 * Java I2P's router, which says every second in a file what it sees: "running", "peer HASH" for each router that it has a session
 * with, and "hop FROM TO MESSAGES" for each tunnel of others in which it stands; "-" is before a tunnel's gateway and behind its
 * endpoint. The file is the only argument; the folder is given by i2p.dir.base and the like.
 */
public final class Peer {
    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[0]);
        Path unfinished = Path.of(arguments[0] + ".new");
        Router.main(new String[0]);
        while (true) {
            StringBuilder text = new StringBuilder();
            for (RouterContext context : RouterContext.listContexts()) {
                describe(context, text);
            }
            Files.writeString(unfinished, text);
            Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE);
            Thread.sleep(1000);
        }
    }

    private static void describe(RouterContext context, StringBuilder text) {
        if (context.router() == null || !context.router().isRunning()) {
            return;
        }
        text.append("running\n");
        for (Hash peer : context.commSystem().getEstablished()) {
            text.append("peer ").append(peer.toBase64()).append('\n');
        }
        for (HopConfig hop : context.tunnelDispatcher().listParticipatingTunnels()) {
            text.append("hop ").append(name(hop.getReceiveFrom())).append(' ').append(name(hop.getSendTo())).append(' ')
                .append(hop.getProcessedMessagesCount()).append('\n');
        }
    }

    private static String name(Hash router) {
        return router == null ? "-" : router.toBase64();
    }
}

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Properties;
import net.i2p.client.streaming.I2PServerSocket;
import net.i2p.client.streaming.I2PSocket;
import net.i2p.client.streaming.I2PSocketManager;
import net.i2p.client.streaming.I2PSocketManagerFactory;
import net.i2p.data.Destination;

/**
 * Both ends of Java I2P's streaming library. Arguments: the port of a router's I2CP on 127.0.0.1, a file, options KEY=VALUE. Serves
 * two pages over HTTP: a small one at "/", that file at "/big". Prints its name, then obeys lines of standard input:
 * "fetch NAME PATH" is answered by "ok BYTES SHA256 MILLISECONDS" or by "failed WHY", "echo NAME BYTES" likewise: it sends so many
 * bytes and reads them back at the same time.
 */
public final class Ends {
    private static final String PAGE = "<!doctype html><title>private site</title><p>a page from Java\n";
    private static byte[] big;

    public static void main(String[] arguments) throws Exception {
        big = Files.readAllBytes(Path.of(arguments[1]));
        Properties options = new Properties();
        for (int i = 2; i < arguments.length; i++) {
            int split = arguments[i].indexOf('=');
            options.setProperty(arguments[i].substring(0, split), arguments[i].substring(split + 1));
        }
        I2PSocketManager manager = I2PSocketManagerFactory.createManager("127.0.0.1", Integer.parseInt(arguments[0]), options);
        if (manager == null) {
            System.out.println("failed no session");
            System.exit(1);
        }
        Thread serving = new Thread(() -> serve(manager.getServerSocket()), "serving");
        serving.setDaemon(true);
        serving.start();
        System.out.println(manager.getSession().getMyDestination().toBase32());
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            System.out.println(obey(manager, line.split(" ")));
        }
        manager.destroySocketManager();
        System.exit(0);
    }

    private static String obey(I2PSocketManager manager, String[] words) {
        long began = System.nanoTime();
        try {
            Destination peer = manager.getSession().lookupDest(words[1], 30_000);
            if (peer == null) {
                return "failed no LeaseSet found";
            }
            try (I2PSocket socket = manager.connect(peer)) {
                socket.setReadTimeout(120_000);
                byte[] body = words[0].equals("fetch") ? fetch(socket, words[1], words[2]) : echo(socket, Integer.parseInt(words[2]));
                String hash = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
                return "ok " + body.length + " " + hash + " " + (System.nanoTime() - began) / 1_000_000;
            }
        } catch (Exception problem) {
            return "failed " + problem.toString().replace('\n', ' ');
        }
    }

    private static byte[] fetch(I2PSocket socket, String host, String path) throws IOException {
        OutputStream out = socket.getOutputStream();
        out.write(("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
        out.flush();
        byte[] all = socket.getInputStream().readAllBytes();
        String text = new String(all, StandardCharsets.ISO_8859_1);
        int end = text.indexOf("\r\n\r\n");
        if (end < 0 || !text.startsWith("HTTP/1.1 200 ")) {
            throw new IOException("answered by " + text.lines().findFirst().orElse("nothing"));
        }
        return java.util.Arrays.copyOfRange(all, end + 4, all.length);
    }

    private static byte[] echo(I2PSocket socket, int bytes) throws Exception {
        byte[] sent = new byte[bytes];
        new java.util.Random(bytes).nextBytes(sent);
        Thread sending = new Thread(() -> {
            try {
                OutputStream out = socket.getOutputStream();
                out.write(sent);
                out.flush();
            } catch (IOException problem) {
                System.err.println(problem);
            }
        });
        sending.start();
        byte[] back = socket.getInputStream().readNBytes(bytes);
        sending.join();
        if (!java.util.Arrays.equals(sent, back)) {
            throw new IOException("of " + bytes + " bytes came back " + back.length + ", or others");
        }
        return back;
    }

    private static void serve(I2PServerSocket server) {
        while (true) {
            try {
                I2PSocket socket = server.accept();
                if (socket != null) {
                    Thread answering = new Thread(() -> answer(socket), "answering");
                    answering.setDaemon(true);
                    answering.start();
                }
            } catch (Exception problem) {
                System.err.println("serving ended: " + problem);
                return;
            }
        }
    }

    private static void answer(I2PSocket socket) {
        try (socket) {
            InputStream in = socket.getInputStream();
            ByteArrayOutputStream head = new ByteArrayOutputStream();
            while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
                int next = in.read();
                if (next < 0 || head.size() > 8192) {
                    return;
                }
                head.write(next);
            }
            String path = head.toString(StandardCharsets.ISO_8859_1).split(" ")[1];
            byte[] body = path.equals("/big") ? big : PAGE.getBytes(StandardCharsets.US_ASCII);
            String answer = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + body.length
                + "\r\nConnection: close\r\n\r\n";
            OutputStream out = socket.getOutputStream();
            out.write(answer.getBytes(StandardCharsets.US_ASCII));
            out.write(body);
            out.flush();
        } catch (IOException problem) {
            System.err.println(problem);
        }
    }
}

"""Reports as others write them: the example of RFC 5965 Appendix B.2, and one after RFC 3464 Appendix E.1."""

ARF = b"""From: <abusedesk@example.com>\r
Date: Thu, 8 Mar 2005 17:40:36 EDT\r
Subject: FW: Earn money\r
To: <abuse@example.net>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report;\r
     boundary="part1_13d.2e68ed54_boundary"\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: text/plain; charset="US-ASCII"\r
Content-Transfer-Encoding: 7bit\r
\r
This is an email abuse report for an email message\r
received from IP 192.0.2.1 on Thu, 8 Mar 2005 14:00:00 EDT.\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: SomeGenerator/1.0\r
Version: 1\r
Original-Mail-From: <somespammer@example.net>\r
Original-Rcpt-To: <user@example.com>\r
Arrival-Date: Thu, 8 Mar 2005 14:00:00 EDT\r
Reporting-MTA: dns; mail.example.com\r
Source-IP: 192.0.2.1\r
Reported-Domain: example.net\r
Reported-Uri: http://example.net/earn_money.html\r
Removal-Recipient: user@example.com\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: message/rfc822\r
Content-Disposition: inline\r
\r
From: <somespammer@example.net>\r
Received: from mailserver.example.net (mailserver.example.net\r
     [192.0.2.1]) by example.com with ESMTP id M63d4137594e46;\r
     Thu, 08 Mar 2005 14:00:00 -0400\r
To: <Undisclosed Recipients>\r
Subject: Earn money\r
MIME-Version: 1.0\r
Content-type: text/plain\r
Message-ID: 8787KJKJ3K4J3K4J3K4J3.mail@example.net\r
List-Unsubscribe: <https://example.net/u/1>\r
Date: Thu, 02 Sep 2004 12:31:03 -0500\r
\r
Spam Spam Spam\r
--part1_13d.2e68ed54_boundary--\r
"""

DSN = b"""From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>\r
To: <owner-info-mime@cs.utk.edu>\r
Subject: Returned mail: Cannot send message for 5 days\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="RAA14128"\r
\r
--RAA14128\r
\r
The original message was received at Sat, 2 Jul 1994 17:10:28 -0400\r
--RAA14128\r
content-type: message/delivery-status\r
\r
Reporting-MTA: dns; cs.utk.edu\r
Original-Envelope-Id: QQ314159\r
\r
Original-Recipient: rfc822;louisl@larry.slip.umd.edu\r
Final-Recipient: rfc822;louisl@larry.slip.umd.edu\r
Action: failed\r
Status: 4.0.0\r
Diagnostic-Code: smtp; 426 connection timed out\r
\r
Original-Recipient: rfc822;anna@example.org\r
Final-Recipient: rfc822;anna@moved.example\r
Action: failed\r
Status: 5.1.1 (bad mailbox)\r
Remote-MTA: dns; mx.moved.example\r
Diagnostic-Code: smtp; 550 5.1.1 no such\r
 user\r
\r
--RAA14128\r
content-type: message/rfc822\r
\r
Message-ID: <2@cs.utk.edu>\r
List-Id: <news.example.org>\r
\r
the text\r
--RAA14128--\r
"""

package window

import "github.com/jezek/xgb/xproto"

// A dead key types nothing; it puts an accent on the next letter.
const symDeadFirst = 0xfe50 // XK_dead_grave; accents has the order of keysymdef.h

// accents has, for each dead key, the accent alone and pairs of a letter and
// the accented letter.
var accents = []struct {
	alone   rune
	letters string
}{
	// grave
	{'`', "AÀEÈIÌNǸOÒUÙWẀYỲaàeèiìnǹoòuùwẁyỳ"},
	// acute
	{'\'', "AÁCĆEÉGǴIÍKḰLĹMḾNŃOÓPṔRŔSŚUÚWẂYÝZŹaácćeégǵiíkḱlĺmḿnńoópṕrŕsśuúwẃyýzźΑΆΕΈΗΉΙΊΟΌΥΎΩΏαάεέηήιίοόυύωώϊΐϋΰ"},
	// circumflex
	{'^', "AÂCĈEÊGĜHĤIÎJĴOÔSŜUÛWŴYŶZẐaâcĉeêgĝhĥiîjĵoôsŝuûwŵyŷzẑ"},
	// tilde
	{'~', "AÃEẼIĨNÑOÕUŨVṼYỸaãeẽiĩnñoõuũvṽyỹ"},
	// macron
	{'¯', "AĀEĒGḠIĪOŌUŪYȲaāeēgḡiīoōuūyȳ"},
	// breve
	{'˘', "AĂEĔGĞIĬOŎUŬaăeĕgğiĭoŏuŭ"},
	// dot above
	{'˙', "AȦBḂCĊDḊEĖFḞGĠHḢIİMṀNṄOȮPṖRṘSṠTṪWẆXẊYẎZŻaȧbḃcċdḋeėfḟgġhḣmṁnṅoȯpṗrṙsṡtṫwẇxẋyẏzż"},
	// diaeresis
	{'"', "AÄEËHḦIÏOÖUÜWẄXẌYŸaäeëhḧiïoötẗuüwẅxẍyÿΙΪΥΫιϊυϋ"},
	// ring
	{'°', "AÅUŮaåuůwẘyẙ"},
	// double acute
	{'˝', "OŐUŰoőuű"},
	// caron
	{'ˇ', "AǍCČDĎEĚGǦHȞIǏKǨLĽNŇOǑRŘSŠTŤUǓZŽaǎcčdďeěgǧhȟiǐjǰkǩlľnňoǒrřsštťuǔzž"},
	// cedilla
	{'¸', "CÇDḐEȨGĢHḨKĶLĻNŅRŖSŞTŢcçdḑeȩgģhḩkķlļnņrŗsştţ"},
	// ogonek
	{'˛', "AĄEĘIĮOǪUŲaąeęiįoǫuų"},
}

// isDead reports whether s is a dead key in accents.
func isDead(s xproto.Keysym) bool {
	return s >= symDeadFirst && s < symDeadFirst+xproto.Keysym(len(accents))
}

// accented returns the character that a dead key and r make. A space gives the
// accent alone. If the two do not combine, it returns r.
func accented(dead xproto.Keysym, r rune) rune {
	a := accents[dead-symDeadFirst]
	if r == ' ' {
		return a.alone
	}
	letters := []rune(a.letters)
	for i := 0; i+1 < len(letters); i += 2 {
		if letters[i] == r {
			return letters[i+1]
		}
	}
	return r
}
